"""The face towards SDKs that send their requests with httpx or httpx2."""
