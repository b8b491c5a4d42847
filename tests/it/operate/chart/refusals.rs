//! Values that cannot mean what somebody wanted are refused with a sentence that says which and why.

use super::{chart, helm, shape};

#[track_caller]
fn refused(name: Option<&str>, set: &[&str], sentence: &str) {
    let arguments: Vec<_> = ["template", "door"].into_iter().chain(set.iter().flat_map(|set| ["--set", set])).collect();
    let output = helm(&arguments, &chart(), name.map(shape).as_deref());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{set:?} is taken");
    assert!(said.contains(sentence), "{set:?}: {said}");
}

#[test]
fn what_the_schema_knows_is_refused_by_its_place() {
    for (set, sentence) in [
        ("replicas=2", "additional properties 'replicas' not allowed"),
        ("replicaCount=two", "/replicaCount"),
        ("mode=proxy", "at '/mode': value must be one of 'gateway', 'sidecar', 'injector'"),
        ("config.public_url=app.example.com", "at '/config/public_url'"),
        ("config.public_url=null", "missing property 'public_url'"),
        ("config.upstream=null", "missing property 'upstream'"),
        ("image.digest=sha256:1", "at '/image/digest'"),
        ("image.tagg=1", "additional properties 'tagg' not allowed"),
        ("reload=maybe", "at '/reload'"),
        ("tls.certManager.enabled=true", "missing property 'name'"),
        ("tls.secretName=App_TLS", "at '/tls/secretName'"),
        ("secrets.values.a/b=c", "invalid propertyName 'a/b'"),
        ("secrets.from[0].file=x", "missing properties 'secret', 'key'"),
        ("gatewayApi.enabled=true", "at '/gatewayApi/parentRefs': minItems"),
        ("gatewayApi.kind=Route", "at '/gatewayApi/kind'"),
        ("persistence.size=lots", "at '/persistence/size'"),
        ("journal.volume=nfs", "at '/journal/volume'"),
        ("service.port=70000", "at '/service/port'"),
        ("injector.failurePolicy=Panic", "at '/injector/failurePolicy'"),
        ("injector.timeoutSeconds=60", "at '/injector/timeoutSeconds'"),
        ("podDisruptionBudget.maxUnavailable=many", "at '/podDisruptionBudget/maxUnavailable'"),
    ] {
        refused(None, &[set], sentence);
    }
}

#[test]
fn what_cannot_work_together_is_refused_with_what_to_do() {
    refused(None, &["replicaCount=2"], "replicaCount: the embedded store belongs to one pod; set it to 1, or use PostgreSQL");
    refused(None, &["autoscaling.enabled=true"], "autoscaling: the embedded store belongs to one pod");
    refused(None, &["config.store.url=sqlite:/elsewhere.db", "replicaCount=3"], "belongs to one pod");
    refused(None, &["mode=sidecar", "service.enabled=false"], "each sidecar would have an embedded store of its own");
    refused(Some("sidecar"), &["sidecar.selector=null"], "sidecar.selector: the Service has to know the application's pods");
    refused(
        Some("sidecar"),
        &["sidecar.selector=null", "service.enabled=false", "ingress.enabled=false"],
        "networkPolicy: the application's pods have to be known",
    );
    refused(Some("stateless"), &["sessionStore.existingSecret=v"], "sessions on Valkey stand beside a store");
    refused(Some("pooled"), &["gatewayApi.kind=TLSRoute"], "a TLSRoute leads TLS to the pods, which have no certificate");
    refused(Some("ingress"), &["service.enabled=false"], "there is no Service to lead to");
    refused(Some("injector"), &["ingress.enabled=true"], "there is no Service to lead to");
    refused(
        Some("injector-existing"),
        &["injector.certificate.caBundle="],
        "injector.certificate.caBundle: the API server has to know",
    );
}
