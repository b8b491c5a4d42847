//! Which port the door takes over, where the application listens from then on, and what a Service finds.
//!
//! Refuses what would leave a way around the door or two listeners on one port, because then some requests would meet no door.

use serde_json::{Map, Value};

use super::pod::{self, CONTAINERS, INIT_CONTAINERS};
use super::refusal::Refusal;
use super::sidecar;
use super::wish::Wish;
use crate::config::inject::{Defaults, PortReference};

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Takeover {
    /// Where the door listens.
    pub(super) listen: u16,
    /// Where the application listens, reached on the loopback.
    pub(super) app: u16,
    /// Where it listened before.
    pub(super) before: u16,
    /// Whether Services may look for it by its name.
    pub(super) by_name: bool,
    /// The port's name, which moves to the door.
    pub(super) name: Option<String>,
    /// The application's container, if it is known, and which of its ports it was.
    pub(super) container: Option<usize>,
    entry: Option<usize>,
}

/// A port that a container declares.
struct Declared<'p> {
    /// `None`: of a native sidecar, which is nobody's application.
    container: Option<usize>,
    holder: &'p str,
    entry: usize,
    name: Option<&'p str>,
    number: u16,
    tcp: bool,
    host_port: bool,
}

impl Declared<'_> {
    fn shown(&self) -> String {
        match (self.name, self.tcp) {
            (Some(name), true) => format!("{name} ({})", self.number),
            (None, true) => self.number.to_string(),
            (name, false) => format!("{} ({}, not TCP)", name.unwrap_or("one without a name"), self.number),
        }
    }
}

/// Decides for a pod; changes nothing.
pub(super) fn decide(pod: &Value, wish: &Wish, defaults: &Defaults) -> Result<Takeover, Refusal> {
    let declared = declared(pod)?;
    let containers = pod::containers(pod, CONTAINERS)?;
    let within = match &wish.container {
        None => None,
        Some(wanted) => {
            let place = containers.iter().position(|(name, _)| name == wanted);
            Some(place.ok_or_else(|| Refusal::NoSuchContainer(wanted.clone()))?)
        }
    };
    let found = found(&declared, wish.port.as_ref(), within)?;
    let (before, by_name) = match (found, &wish.port) {
        (Some(port), Some(PortReference::Number(_))) => (port.number, false),
        (Some(port), _) => (port.number, port.name.is_some()),
        (None, Some(PortReference::Number(number))) => (*number, false),
        (None, _) => return Err(Refusal::WhichPort(listed(&declared))),
    };
    let only = (containers.len() == 1).then_some(0);
    let takeover = Takeover {
        listen: listen(wish, before, by_name, defaults)?,
        app: match wish.app_port {
            Some(port) => port,
            None if by_name => before,
            None => return Err(Refusal::AppPortNeeded(before)),
        },
        before,
        by_name,
        name: found.and_then(|port| port.name).map(str::to_owned),
        container: found.and_then(|port| port.container).or(within).or(only),
        entry: found.map(|port| port.entry),
    };
    let told = wish.app_port_env.is_some() || wish.app_host_env.is_some();
    if told && takeover.container.is_none() {
        return Err(Refusal::WhichContainer);
    }
    // A name that nobody wrote for the door says nothing of Services, and one by number would lead past it.
    if let (Some(name), None, None) = (&takeover.name, &wish.port, &wish.app_host_env)
        && !takeover.moves_app()
    {
        return Err(Refusal::NameOrNumber { name: name.clone(), number: before });
    }
    let key = if wish.app_port.is_none() { "listen-port" } else { "app-port" };
    takeover.check_clashes(&declared, wish.operations_port, key)?;
    Ok(takeover)
}

/// What was decided for a pod that has a door, as the door says; refuses one that is not where it would have to be.
pub(super) fn decided(pod: &Value, wish: &Wish) -> Result<Takeover, Refusal> {
    let door = pod::container(pod, sidecar::NAME)?.ok_or(Refusal::NotTheDoor)?;
    let variables = pod::objects(door, "env", "env of a container")?;
    let number = |name: &str, before: &str| {
        let mut of_name = variables.iter().filter(|variable| pod::text(variable, "name") == Some(name));
        // The last one counts for a kubelet, so that a second one is somebody else's.
        let (Some(variable), None) = (of_name.next(), of_name.next()) else { return Err(Refusal::NotTheDoor) };
        let (start, number) = pod::text(variable, "value").and_then(|value| value.rsplit_once(':')).ok_or(Refusal::NotTheDoor)?;
        number.parse::<u16>().ok().filter(|_| before.is_empty() || start == before).ok_or(Refusal::NotTheDoor)
    };
    let (listen, app) = (number("DOORWARD_LISTEN", "")?, number("DOORWARD_UPSTREAM", "http://127.0.0.1")?);
    number("DOORWARD_OPERATIONS", "")?;
    let declared = declared(pod)?;
    let (own, others): (Vec<_>, Vec<_>) = declared.iter().partition(|port| port.holder == sidecar::NAME);
    let port = own.iter().find(|port| port.tcp && port.number == listen).ok_or(Refusal::NotTheDoor)?;
    let by_name = match &wish.port {
        Some(PortReference::Number(number)) => (*number == listen).then_some(false),
        Some(PortReference::Name(name)) => (port.name == Some(name)).then_some(true),
        None => Some(true),
    };
    let as_said = |said: Option<u16>, is: u16| said.is_none_or(|said| said == is);
    let by_name =
        by_name.filter(|_| as_said(wish.listen_port, listen) && as_said(wish.app_port, app)).ok_or(Refusal::NotTheDoor)?;
    if others.iter().any(|other| other.tcp && other.number == listen || other.name.is_some() && other.name == port.name) {
        return Err(Refusal::Ambiguous(port.shown()));
    }
    let name = port.name.map(str::to_owned);
    Ok(Takeover { listen, app, before: app, by_name, name, container: None, entry: None })
}

fn listen(wish: &Wish, before: u16, by_name: bool, defaults: &Defaults) -> Result<u16, Refusal> {
    match wish.listen_port {
        Some(listen) if !by_name && listen != before => Err(Refusal::ListenElsewhere { port: before, listen }),
        Some(listen) => Ok(listen),
        // Who moves the application away leaves its port to the door, so that Services by number find it, too.
        None if by_name && wish.app_port.is_none() => Ok(defaults.listen_port),
        None => Ok(before),
    }
}

fn declared(pod: &Value) -> Result<Vec<Declared<'_>>, Refusal> {
    let mut all = Vec::new();
    for key in [CONTAINERS, INIT_CONTAINERS] {
        for (place, (holder, container)) in pod::containers(pod, key)?.into_iter().enumerate() {
            if key == INIT_CONTAINERS && !pod::is_native_sidecar(container) {
                continue;
            }
            for (entry, port) in pod::objects(container, "ports", "ports of a container")?.into_iter().enumerate() {
                let number = port.get("containerPort").and_then(Value::as_u64).and_then(|number| u16::try_from(number).ok());
                all.push(Declared {
                    container: (key == CONTAINERS).then_some(place),
                    holder,
                    entry,
                    name: pod::text(port, "name").filter(|name| !name.is_empty()),
                    number: number.filter(|number| *number > 0).ok_or(Refusal::Shape("containerPort of a port"))?,
                    tcp: pod::text(port, "protocol").is_none_or(|protocol| protocol == "TCP"),
                    host_port: port.get("hostPort").and_then(Value::as_u64).is_some_and(|port| port > 0),
                });
            }
        }
    }
    Ok(all)
}

/// The declared port that is meant; `None`: one by number that nobody declares, or none was named and there is not exactly one.
fn found<'d, 'p>(
    declared: &'d [Declared<'p>],
    wanted: Option<&PortReference>,
    within: Option<usize>,
) -> Result<Option<&'d Declared<'p>>, Refusal> {
    let own = |port: &&Declared<'_>| port.container.is_some() && within.is_none_or(|within| port.container == Some(within));
    let matches: Vec<_> = match wanted {
        None => declared.iter().filter(own).filter(|port| port.tcp).collect(),
        Some(PortReference::Name(name)) => declared.iter().filter(|port| port.name == Some(name)).collect(),
        Some(PortReference::Number(number)) => declared.iter().filter(|port| port.number == *number).collect(),
    };
    let shown = match wanted {
        None => String::new(),
        Some(PortReference::Name(name)) => name.clone(),
        Some(PortReference::Number(number)) => number.to_string(),
    };
    let port = match (matches.as_slice(), wanted) {
        ([], Some(PortReference::Number(_))) => return Ok(None),
        ([] | [_, _, ..], None) => return Err(Refusal::WhichPort(listed(declared))),
        ([port], _) if own(port) => *port,
        ([_, _, ..], _) => return Err(Refusal::Ambiguous(shown)),
        _ => return Err(Refusal::NoSuchPort { wanted: shown, declared: listed(declared) }),
    };
    if let Some(name) = port.name
        && declared.iter().filter(|other| other.name == Some(name)).count() > 1
    {
        return Err(Refusal::Ambiguous(name.to_owned()));
    }
    if !port.tcp {
        return Err(Refusal::NotTcp(port.shown()));
    }
    if port.host_port {
        return Err(Refusal::HostPort(port.shown()));
    }
    Ok(Some(port))
}

fn listed(declared: &[Declared<'_>]) -> String {
    let all: Vec<String> = declared.iter().take(5).map(Declared::shown).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

impl Takeover {
    fn check_clashes(&self, declared: &[Declared<'_>], operations: u16, key: &'static str) -> Result<(), Refusal> {
        let clash = |port, first: &str, second: &str, key| {
            Err(Refusal::Clash { port, first: first.to_owned(), second: second.to_owned(), key })
        };
        if self.listen == self.app {
            return clash(self.listen, "the door", "the application", key);
        }
        if operations == self.listen {
            return clash(operations, "the door's probes", "the door", "operations-port");
        }
        if operations == self.app {
            return clash(operations, "the door's probes", "the application", "operations-port");
        }
        let taken_over = |port: &Declared<'_>| port.container == self.container && Some(port.entry) == self.entry;
        for other in declared.iter().filter(|port| port.tcp && !taken_over(port)) {
            let holder = format!("container `{}`", other.holder);
            if other.number == self.listen {
                return clash(other.number, "the door", &holder, key);
            }
            if other.number == operations {
                return clash(other.number, "the door's probes", &holder, "operations-port");
            }
            if other.number == self.app && self.app != self.before {
                return clash(other.number, "the application", &holder, "app-port");
            }
        }
        Ok(())
    }

    /// Whether the application listens elsewhere than before.
    pub(super) fn moves_app(&self) -> bool {
        self.app != self.before
    }

    /// Takes the name from the application's port and says where it listens now; tells it by the variables.
    pub(super) fn change_app(&self, pod: &mut Value, wish: &Wish) -> Result<(), Refusal> {
        let Some(place) = self.container else { return Ok(()) };
        let mut containers = pod::containers_mut(pod, CONTAINERS)?;
        let Some(container) = containers.get_mut(place) else { return Ok(()) };
        if let Some(entry) = self.entry
            && let Some(Value::Object(port)) = pod::list(container, "ports", "ports of a container")?.get_mut(entry)
        {
            port.remove("name");
            port.insert("containerPort".to_owned(), self.app.into());
        }
        let told = [(&wish.app_port_env, self.app.to_string()), (&wish.app_host_env, "127.0.0.1".to_owned())];
        for (name, value) in told {
            if let Some(name) = name {
                tell(container, name, &value)?;
            }
        }
        Ok(())
    }
}

/// Sets a variable, in the place that it has already if there is one.
fn tell(container: &mut Map<String, Value>, name: &str, value: &str) -> Result<(), Refusal> {
    let variables = pod::list(container, "env", "env of a container")?;
    let variable = serde_json::json!({ "name": name, "value": value });
    match variables.iter_mut().find(|variable| variable.get("name").and_then(Value::as_str) == Some(name)) {
        Some(there) => *there = variable,
        None => variables.push(variable),
    }
    Ok(())
}
