"""The paper's method: its losses, label flips and network. No file is read and nothing is trained here."""
