"""`vibeserve export`: the best checkpoint as a folder that starts and can be checked."""
