"""The block storage API v3: one route table (app.py), one file per resource."""
