"""Every picture of the report: figure1 to figure6 are the paper's, the others are named after what they show."""
