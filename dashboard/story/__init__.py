"""The story: a talk in nine steps, each a preset of a room with a few sentences, and the mode to present it in."""
