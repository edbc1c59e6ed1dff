"""Findings about splits, and about images that are in more than one."""

from tasks.labeling.explanations.explanation import Explanation

SPLITS = {
    "no-train-split": Explanation(
        "no train split with images",
        "There is nothing to learn from.",
        "Export with a train split, or name the folder of the images train.",
        "an export with valid/ and test/ alone",
    ),
    "no-train-boxes": Explanation(
        "train has no boxes",
        "A detector learns from boxes; background images alone teach it to find nothing.",
        "Label images of the train split, and export again.",
        "train/ with 40 images, whose label files are all empty",
    ),
    "too-small-to-split": Explanation(
        "train too small to split valid off",
        "Without images that were not trained on, nothing says when to stop or how good the model is.",
        "Label at least one more source image, or export with a valid split.",
        "train/ with nine augmented copies of one image, and no valid/",
    ),
    "split-without-labels": Explanation(
        "a split has images and no labels",
        "All its images would count as background, and each right detection as a false positive.",
        "Look where the label files lie (labels/ beside images/), or remove the split.",
        "valid/images/a.jpg, and no file in valid/labels/",
    ),
    "no-valid-split": Explanation(
        "no valid split; part of train is used",
        "Training needs images to choose the best epoch by; those moved are not trained on.",
        "Export with a valid split to choose them yourself.",
        "an export with train/ alone",
    ),
    "no-test-split": Explanation(
        "no test split",
        "The report is on valid, by which the best epoch was chosen: its scores are a little too high.",
        "Export with a test split once there are images enough.",
        "an export with train/ and valid/",
    ),
    "test-without-labels": Explanation(
        "a test folder has no labels",
        "Nothing can be measured on images whose objects are unknown.",
        "Label the test images, or leave them out.",
        "test/images/a.jpg, without test/labels/",
    ),
    "split-tiny": Explanation(
        "a split to measure on is very small",
        "A single image more or less right changes the score by much; the intervals are wide.",
        "Label more images of that split, or move some there before augmenting.",
        "valid/ with 4 images",
    ),
    "train-tiny": Explanation(
        "train has few source images",
        "A detector learns what varies between images. Augmented copies of one image add nearly nothing.",
        "Label some dozens of different images.",
        "train/ with 99 files that are 11 images nine times over: a_jpg.rf.1.jpg, a_jpg.rf.2.jpg, ...",
    ),
    "train-below-batch": Explanation(
        "train has fewer images than a batch",
        "Statistics of a batch come from a few images, and training is unsteady.",
        "Label some dozens of images.",
        "train/ with 3 images",
    ),
    "leak-identical": Explanation(
        "one file in more than one split",
        "The model was trained on what it is measured on, so the scores are too high.",
        "Remove the copies, and split again.",
        "train/a.jpg and valid/b.jpg with the same bytes",
    ),
    "leak-source": Explanation(
        "versions of an image in several splits",
        "Augmented copies are nearly the same image, so the scores are too high.",
        "Split first and augment after; in Roboflow the split belongs to the images, not to the version.",
        "train/a_jpg.rf.1.jpg and valid/a_jpg.rf.2.jpg",
    ),
    "leak-frames": Explanation(
        "frames of a clip in several splits",
        "Frames of one clip look alike, so the scores say nothing about other clips.",
        "Keep all frames of a clip in one split.",
        "train/cows_mp4-0001.jpg and valid/cows_mp4-0002.jpg",
    ),
    "leak-tiles": Explanation(
        "tiles of one image in several splits",
        "Tiles that overlap show the same objects, so scores will be too high.",
        "Keep all tiles of an image in one split.",
        "train/field_0_0.png and valid/field_0_512.png",
    ),
    "leak-near-duplicate": Explanation(
        "images of two splits look the same",
        "If they are copies, resized or saved again, the scores are too high.",
        "Look at the pairs that the examples name, and keep one of each.",
        "train/a.jpg, and valid/a-small.jpg at half the size",
    ),
    "list-entry-missing": Explanation(
        "a list of a split names no image",
        "The split would be smaller than the list says.",
        "Correct the paths in the list, or bring the images.",
        "train.txt with the line images/gone.jpg",
    ),
    "images-beside": Explanation(
        "images in folders beside the splits",
        "They are neither trained on nor measured.",
        "Move them into a split, or delete them.",
        "train/, valid/ and extra/a.jpg",
    ),
    "duplicate-images": Explanation(
        "one file more than once in a split",
        "It counts twice as much as others, and makes numbers of images look better than they are.",
        "Delete the copies.",
        "train/a.jpg and train/a (1).jpg with the same bytes",
    ),
}
