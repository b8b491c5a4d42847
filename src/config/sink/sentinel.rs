//! Microsoft Sentinel, by the Logs Ingestion API of Azure Monitor.
//!
//! Refuses nothing by itself; `config::review` and `audit::sink::sentinel` do, because a wrong rule is known to Azure alone.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::crypto::Secret;

/// Events to a table of Microsoft Sentinel by the Logs Ingestion API, through a data collection rule. With `client_secret` or with
/// `federated_token_file`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sentinel {
    /// Where logs are taken: the address of a data collection endpoint, or of the rule itself.
    pub endpoint: String,
    /// The rule's immutable id: `dcr-` and 32 hexadecimal digits.
    pub rule: String,
    /// The rule's stream, such as `Custom-Doorward_CL`.
    pub stream: String,
    /// The directory (tenant) that the application is registered in: its id or domain.
    pub tenant: String,
    /// The application's (client) id.
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// A file with a token of somebody whom the application trusts instead (workload identity federation), such as
    /// `/var/run/secrets/azure/tokens/azure-identity-token`. Read whenever it is needed.
    #[serde(default)]
    pub federated_token_file: Option<PathBuf>,
    /// Who gives out access tokens; another one in national clouds. Default: `https://login.microsoftonline.com`.
    #[serde(default = "authority")]
    pub authority: String,
    /// What access tokens are for; another one in national clouds. Default: `https://monitor.azure.com`.
    #[serde(default = "audience")]
    pub audience: String,
}

fn authority() -> String {
    "https://login.microsoftonline.com".to_owned()
}

fn audience() -> String {
    "https://monitor.azure.com".to_owned()
}
