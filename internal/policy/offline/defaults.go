package offline

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// setDefaults fills in the defaults that expressions commonly rely on: a
// policy is asked after the API server has done so. Its own code for that is
// not a library.
func setDefaults(o runtime.Object) {
	switch o := o.(type) {
	case *corev1.Pod:
		podDefaults(&o.Spec)
		if o.Spec.ServiceAccountName == "" {
			o.Spec.ServiceAccountName = "default" // by the admission plugin
		}
		if o.Spec.HostNetwork {
			hostPorts(&o.Spec)
		}
	case *corev1.PodTemplate:
		podDefaults(&o.Template.Spec)
	case *corev1.ReplicationController:
		if o.Spec.Template != nil {
			podDefaults(&o.Spec.Template.Spec)
		}
		setIfNil(&o.Spec.Replicas, 1)
	case *appsv1.Deployment:
		podDefaults(&o.Spec.Template.Spec)
		setIfNil(&o.Spec.Replicas, 1)
	case *appsv1.ReplicaSet:
		podDefaults(&o.Spec.Template.Spec)
		setIfNil(&o.Spec.Replicas, 1)
	case *appsv1.StatefulSet:
		podDefaults(&o.Spec.Template.Spec)
		setIfNil(&o.Spec.Replicas, 1)
	case *appsv1.DaemonSet:
		podDefaults(&o.Spec.Template.Spec)
	case *batchv1.Job:
		podDefaults(&o.Spec.Template.Spec)
		setIfNil(&o.Spec.BackoffLimit, 6)
	case *batchv1.CronJob:
		podDefaults(&o.Spec.JobTemplate.Spec.Template.Spec)
	case *corev1.Service:
		setIfZero(&o.Spec.Type, corev1.ServiceTypeClusterIP)
		setIfZero(&o.Spec.SessionAffinity, corev1.ServiceAffinityNone)
		for i := range o.Spec.Ports {
			setIfZero(&o.Spec.Ports[i].Protocol, corev1.ProtocolTCP)
		}
	case *corev1.Secret:
		setIfZero(&o.Type, corev1.SecretTypeOpaque)
		for key, value := range o.StringData {
			if o.Data == nil {
				o.Data = make(map[string][]byte)
			}
			o.Data[key] = []byte(value)
		}
		o.StringData = nil
	}
}

func setIfZero[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func setIfNil[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func podDefaults(s *corev1.PodSpec) {
	setIfZero(&s.RestartPolicy, corev1.RestartPolicyAlways)
	setIfZero(&s.DNSPolicy, corev1.DNSClusterFirst)
	setIfZero(&s.SchedulerName, corev1.DefaultSchedulerName)
	setIfNil(&s.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	setIfNil(&s.SecurityContext, corev1.PodSecurityContext{})
	setIfZero(&s.ServiceAccountName, s.DeprecatedServiceAccount)
	s.DeprecatedServiceAccount = s.ServiceAccountName
	for i := range s.InitContainers {
		containerDefaults(&s.InitContainers[i])
	}
	for i := range s.Containers {
		containerDefaults(&s.Containers[i])
	}
	for i := range s.Volumes {
		if s.Volumes[i].VolumeSource == (corev1.VolumeSource{}) {
			s.Volumes[i].EmptyDir = new(corev1.EmptyDirVolumeSource)
		}
	}
}

func containerDefaults(c *corev1.Container) {
	setIfZero(&c.TerminationMessagePath, corev1.TerminationMessagePathDefault)
	setIfZero(&c.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	pull := corev1.PullIfNotPresent
	name := c.Image[strings.LastIndex(c.Image, "/")+1:]
	if !strings.Contains(c.Image, "@") && (!strings.Contains(name, ":") || strings.HasSuffix(name, ":latest")) {
		pull = corev1.PullAlways
	}
	setIfZero(&c.ImagePullPolicy, pull)
	for i := range c.Ports {
		setIfZero(&c.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p != nil {
			setIfZero(&p.TimeoutSeconds, 1)
			setIfZero(&p.PeriodSeconds, 10)
			setIfZero(&p.SuccessThreshold, 1)
			setIfZero(&p.FailureThreshold, 3)
		}
	}
}

// hostPorts opens the ports of containers on the host, as pods with the network
// of the host do.
func hostPorts(s *corev1.PodSpec) {
	for _, list := range [][]corev1.Container{s.InitContainers, s.Containers} {
		for i := range list {
			for k := range list[i].Ports {
				setIfZero(&list[i].Ports[k].HostPort, list[i].Ports[k].ContainerPort)
			}
		}
	}
}
