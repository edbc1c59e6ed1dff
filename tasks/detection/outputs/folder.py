"""What detection publishes in a folder."""

from tasks.local.output_folder import Outputs

IMAGES, THUMBNAILS, PAGES = "images", "thumbnails", "pages"
DETECTIONS, TABLE, INDEX = "detections.json", "detections.csv", "index.html"
OUTPUTS = Outputs("detect", (IMAGES, THUMBNAILS, PAGES, DETECTIONS, TABLE, INDEX))
