"""Rejections: the message of a NACK, rejected resources by proxy, bisection, last good versions and reports."""
