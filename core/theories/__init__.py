"""The systems that are quantised: one file each."""
