"""From results to verdicts: numbers in, numbers out. No HTML is written and nothing is drawn here."""
