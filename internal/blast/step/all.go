// Package step holds the attack steps: one file each, with what a step needs,
// what it gives, how hard it is, and which control takes it away.
//
// It computes no paths and no answers; package blast does.
package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

// All are the steps, in the order in which an intruder thinks of them: out of
// the container, other identities, rights, from the node onwards, the network
// and what is shared.
func All() []*blast.Step {
	return []*blast.Step{
		privilegedContainer, capSysAdmin, capSysModule, capSysPtrace, capDacReadSearch,
		capSysRawio, capBpf, capNetAdmin, capSysTime, hostPid,
		hostIpc, hostNetwork, hostPathRoot, hostPathStaticPods, hostPathRuntimeSocket,
		hostPathProc, hostPathSys, hostPathDev, hostPathLogs, hostPathKubelet,
		hostPathKubeletIdentity, hostPathControlPlaneKeys, hostPathEtcd, hostPathOther, persistentVolumeHostPath,
		unmaskedProc, windowsHostProcess, shareProcessNamespace, kernelWithKnownHole,

		mountedToken, projectedToken, perpetualToken, mountedSecret, pullSecret,
		registryCredential, bootstrapToken, kubeconfigInConfig, environmentCredential, cloudAwsRole,
		cloudGoogleAccount, cloudAzureIdentity, cloudPodIdentity, metadataService, accountGroups,
		anonymousRights,

		wildcard, readSecrets, requestToken, issueTokenSecret, createPods,
		changeWorkloads, replacePodImage, execIntoPods, execByWebsocket, ephemeralContainers, portForward,
		nodesProxy, impersonateUsers, impersonateGroups, impersonateAccounts, escalateClusterRoles,
		escalateNamespaceRoles, bindClusterRoles, bindNamespaceRoles, bindOwnRoles, approveCertificates, approveNodeCertificates,
		mutatingWebhooks, validatingWebhooks, mutatingPolicies, admissionPolicies, apiExtensions,
		createVolumes, namespaceLabels, movePods, deletePods, deleteData,
		systemConfig, redirectServices, takeHostNames, readLogs, readConfigMaps,
		openNetwork, deleteEvents, driveControllers, readDebugURLs, mastersGroup, unknownRole,
		aggregationController, podsAnyAccount, podsAnySecret, podsAnyClaim, podsTakeNode,

		nodeHoldsPods, nodeCloudRole, nodeWithoutRestriction, controlPlaneNode,

		kubeletAnonymous, kubeletReadOnlyPort, etcdOpen, reachableWorkloads, sharedClaim,
		mutableTag, exposed, unread,
	}
}
