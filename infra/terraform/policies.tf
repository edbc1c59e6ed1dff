# The same files that infra/policies/render.py fills in.
locals {
  policies = {
    for role in ["worker", "control"] :
    role => templatefile("${path.module}/../policies/${role}.json", { bucket = var.bucket, prefix = var.prefix })
  }
}
