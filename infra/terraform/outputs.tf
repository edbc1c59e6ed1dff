output "users" {
  description = "Users by side. Make a key for each: aws iam create-access-key --user-name NAME."
  value       = { for role, user in aws_iam_user.role : role => user.name }
}

output "environment" {
  description = "Settings of the store, without the keys."
  value = {
    NASFLOW_STORE_ENDPOINT = "https://s3.${aws_s3_bucket.store.region}.amazonaws.com"
    NASFLOW_STORE_REGION   = aws_s3_bucket.store.region
    NASFLOW_STORE_BUCKET   = var.bucket
    NASFLOW_STORE_PREFIX   = var.prefix
  }
}
