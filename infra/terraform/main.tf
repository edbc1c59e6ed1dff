# A bucket for nasflow, and a user each for GPU workers and for the control side.
# Their policies are the files of infra/policies; keys are made apart, so that no secret is in the state.

resource "aws_s3_bucket" "store" {
  bucket = var.bucket

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "store" {
  bucket = aws_s3_bucket.store.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "store" {
  bucket = aws_s3_bucket.store.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "store" {
  bucket                  = aws_s3_bucket.store.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# As infra/policies/lifecycle.json.
resource "aws_s3_bucket_lifecycle_configuration" "store" {
  bucket     = aws_s3_bucket.store.id
  depends_on = [aws_s3_bucket_versioning.store]

  rule {
    id     = "nasflow-open-uploads"
    status = "Enabled"

    filter {
      prefix = var.prefix
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "nasflow-old-versions"
    status = "Enabled"

    filter {
      prefix = var.prefix
    }

    noncurrent_version_expiration {
      noncurrent_days = 30
    }
  }
}

resource "aws_iam_user" "role" {
  for_each = local.policies
  name     = "${var.name}-${each.key}"
}

resource "aws_iam_policy" "role" {
  for_each    = local.policies
  name        = "${var.name}-${each.key}"
  description = "What the ${each.key} side of nasflow may do in ${var.bucket}."
  policy      = each.value
}

resource "aws_iam_user_policy_attachment" "role" {
  for_each   = local.policies
  user       = aws_iam_user.role[each.key].name
  policy_arn = aws_iam_policy.role[each.key].arn
}
