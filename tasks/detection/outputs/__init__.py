"""What detection writes: annotated images, COCO JSON, CSV and a gallery."""
