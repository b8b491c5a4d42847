//! A door with two tenants and three connections, and directories' clients at it.

use serde_json::{Value, json};

use crate::support::{Answer, Door, Part, curl, part_at_port};

const SHARED: &str = "{ id: acme }, { id: globex }";
const FILE: &str = "sqlite:{folder}/doorward.db";

pub(super) struct House {
    pub(super) door: Door,
    _database: Option<Part>,
}

/// A directory's client: a token and where it is sent.
pub(super) struct Client {
    base: String,
    pub(super) id: String,
    pub(super) token: String,
}

impl House {
    /// The same statements search and change in a file and at a server.
    pub(super) fn on_each_engine() -> [Self; 2] {
        let server = part_at_port("postgres", &[]);
        let url = server.ready["url"].as_str().unwrap().to_owned();
        [Self::build(SHARED, "", FILE, None), Self::build(SHARED, "", &url, Some(server))]
    }

    /// With further settings.
    pub(super) fn with(settings: &str) -> Self {
        Self::build(SHARED, settings, FILE, None)
    }

    /// Where each tenant has a host of its own.
    pub(super) fn with_hosts() -> Self {
        Self::build("{ id: acme, hosts: [acme.test] }, { id: globex, hosts: [globex.test] }", "", FILE, None)
    }

    fn build(tenants: &str, settings: &str, store: &str, database: Option<Part>) -> Self {
        let connection = |id: &str, tenant: &str, domains: &str| {
            format!(
                "  - id: {id}\n    tenant: {tenant}\n    domains: [{domains}]\n    oidc: {{ issuer: https://{id}.invalid, \
                 client_id: doorward, client_secret: 0123456789abcdef }}\n"
            )
        };
        let connections = [
            connection("okta", "acme", "acme.example"),
            connection("entra", "acme", "acme.test"),
            connection("google", "globex", ""),
        ];
        let door = Door::serve(
            &format!(
                "\
version: 1
public_url: http://localhost:1
listeners: [{{ address: 127.0.0.1:0 }}]
upstream: {{ url: http://127.0.0.1:9 }}
store: {{ url: '{store}' }}
secret_key: 0123456789abcdef0123456789abcdef
tenants: [{tenants}]
connections:
{}
{settings}
",
                connections.concat()
            ),
            |_| {},
        );
        Self { door, _database: database }
    }

    #[track_caller]
    pub(super) fn client(&self, connection: &str) -> Client {
        let made = self.door.command(&["scim-token", "create", "--connection", connection]);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let base = format!("http://{}/.doorward/scim/v2", self.door.listener(0));
        Client { base, id: text("id"), token: text("secret") }
    }

    /// The newest events of a kind.
    #[track_caller]
    pub(super) fn events(&self, kind: &str) -> Vec<Value> {
        self.door.events(kind)
    }
}

impl Client {
    /// The same client with another token.
    pub(super) fn with_token(&self, token: &str) -> Self {
        Self { base: self.base.clone(), id: self.id.clone(), token: token.to_owned() }
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    #[track_caller]
    pub(super) fn send(&self, method: &str, path: &str, body: Option<&Value>, headers: &[&str]) -> Answer {
        let url = format!("{}{path}", self.base);
        let line = format!("Authorization: Bearer {}", self.token);
        let mut arguments = vec!["-X", method, "-H", &line, "-H", "Content-Type: application/scim+json"];
        for header in headers {
            arguments.extend(["-H", header]);
        }
        let text = body.map(Value::to_string);
        if let Some(text) = &text {
            arguments.extend(["--data-binary", text]);
        }
        arguments.push(&url);
        curl(&arguments)
    }

    #[track_caller]
    pub(super) fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(method, path, Some(body), &[])
    }

    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, &[])
    }

    /// What a request that has to succeed is answered with.
    #[track_caller]
    pub(super) fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, body);
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// Makes a person; answers their id.
    #[track_caller]
    pub(super) fn person(&self, name: &str) -> String {
        self.done("POST", "/Users", &json!({ "userName": name }))["id"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(super) fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
        let made = self.done("POST", "/Groups", &json!({ "displayName": name, "members": members }));
        made["id"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(super) fn patch(&self, path: &str, operations: &Value) -> Answer {
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations });
        self.ask("PATCH", path, &body)
    }

    /// What a filter finds, by name, in order.
    #[track_caller]
    pub(super) fn found(&self, path: &str, filter: &str, more: &str) -> Vec<String> {
        let query: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let answer = self.get(&format!("{path}?filter={query}{more}"));
        assert_eq!(answer.status, 200, "{filter}: {}", answer.text());
        let found = answer.json();
        let name = |one: &Value| one["userName"].as_str().or(one["displayName"].as_str()).unwrap().to_owned();
        let names: Vec<String> = found["Resources"].as_array().unwrap().iter().map(name).collect();
        assert_eq!(found["itemsPerPage"], json!(names.len()));
        names
    }
}
