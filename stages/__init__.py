"""Box supervision in the order of its pipeline: download, boxes, train, evaluate, report, on a shared ground floor."""
