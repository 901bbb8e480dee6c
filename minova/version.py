"""The version, alone in its file so that packaging can read it."""

VERSION = "0.1.0"
