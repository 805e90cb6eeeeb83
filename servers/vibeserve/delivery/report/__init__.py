"""`vibeserve report`: what a run found, as a page, a picture and JSON."""
