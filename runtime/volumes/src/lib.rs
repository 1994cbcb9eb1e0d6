//! Volumes: configMap, secret, projected, downwardAPI, emptyDir, hostPath.
