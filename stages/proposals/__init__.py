"""What stands in for the missing masks: boxes to pixel labels, before any network is trained."""
