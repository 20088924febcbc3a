module github.com/redoubt-k8s/redoubt/testcluster

go 1.26.0
