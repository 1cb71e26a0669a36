"""Search as a service: a Ray Serve application that keeps the query models in memory and answers over HTTP."""
