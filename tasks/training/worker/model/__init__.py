"""The YOLO-NAS network, its loss, its weights and its detections."""
