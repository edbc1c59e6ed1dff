variable "bucket" {
  description = "Name of the bucket, which is created."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name has 3 to 63 lower case letters, digits, dots and hyphens."
  }
}

variable "prefix" {
  description = "What comes before every key: empty, or ending with a slash."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([A-Za-z0-9_.-]+/)*$", var.prefix))
    error_message = "The prefix is empty, or ends with a slash and does not begin with one."
  }
}

variable "name" {
  description = "Begin of the names of users and policies."
  type        = string
  default     = "nasflow"
}
