"""From a document to a request, and from a result back to a document."""
