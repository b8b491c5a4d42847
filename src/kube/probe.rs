//! The application's own probes, which go on reaching the application.
//!
//! Refuses to send a probe through the door, because the door would ask the kubelet who it is.

use serde_json::{Map, Value};

use super::pod::{self, CONTAINERS, INIT_CONTAINERS};
use super::port::Takeover;
use super::refusal::Refusal;

/// Where a container may name a port that the kubelet calls.
const HANDLERS: [(&str, Option<&str>); 5] = [
    ("livenessProbe", None),
    ("readinessProbe", None),
    ("startupProbe", None),
    ("lifecycle", Some("postStart")),
    ("lifecycle", Some("preStop")),
];

/// Ways in which the kubelet calls a port.
const CALLS: [&str; 3] = ["httpGet", "tcpSocket", "grpc"];

/// Points every probe of the port that was taken over to where the application listens now. `closed`: the application will listen on the
/// loopback only, where the kubelet does not reach it.
pub(super) fn follow(pod: &mut Value, takeover: &Takeover, closed: bool) -> Result<(), Refusal> {
    for key in [CONTAINERS, INIT_CONTAINERS] {
        for (place, container) in pod::containers_mut(pod, key)?.into_iter().enumerate() {
            let own = key == CONTAINERS && takeover.container == Some(place);
            for (name, part) in HANDLERS {
                let probe = container.get_mut(name);
                let probe = match part {
                    None => probe,
                    Some(part) => probe.and_then(|lifecycle| lifecycle.get_mut(part)),
                };
                let Some(Value::Object(probe)) = probe else { continue };
                for call in CALLS {
                    if let Some(Value::Object(call)) = probe.get_mut(call)
                        && point(call, takeover, own)
                        && closed
                    {
                        return Err(Refusal::ProbeNeedsPort(name));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Whether the call goes to the application.
fn point(call: &mut Map<String, Value>, takeover: &Takeover, own: bool) -> bool {
    // A host of its own is another machine's, mostly; its port is what the name stood for here.
    let elsewhere = pod::text(call, "host").is_some_and(|host| !host.is_empty());
    let Some(port) = call.get_mut("port") else { return false };
    // A name is one of the same container; a number written as text is a number (IntOrString).
    let named = own && takeover.name.is_some() && port.as_str() == takeover.name.as_deref();
    let number = port.as_u64().or_else(|| port.as_str().and_then(|text| text.parse().ok()));
    if !named && number != Some(u64::from(takeover.before)) {
        return false;
    }
    if elsewhere {
        *port = takeover.before.into();
        return false;
    }
    if named || takeover.moves_app() {
        *port = takeover.app.into();
    }
    true
}
