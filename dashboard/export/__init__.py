"""Files of what a stage shows: its data, and how to make it again."""
