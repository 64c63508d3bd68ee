"""Train Model 1, the segmentation network."""
