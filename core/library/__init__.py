"""What the library holds as a whole (ensembles, arrays, models, runs), and how things get in from outside."""
