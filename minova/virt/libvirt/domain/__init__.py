"""Domain XML: one small builder per topic, put in order by `builder`."""
