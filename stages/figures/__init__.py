"""One module a figure, each with a function `draw`; what several share stands in modules of their own."""
