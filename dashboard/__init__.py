"""StoqLab in the browser: thin pages over ``core``."""
