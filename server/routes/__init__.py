"""The routes of the service, one router a resource."""
