//! The door for clusters: a mutating admission webhook that puts a door into annotated pods.
//!
//! Refuses a pod that asks for a door and cannot have one, because admitting it as it is would leave its application open. Reads no
//! ConfigMap and no Secret but its own certificate's: it only writes down their names, always of the pod's own namespace (threats P9).

mod api;
mod certificate;
mod files;
mod keeper;
mod listener;
mod manifest;
mod pod;
mod port;
mod probe;
mod refusal;
mod review;
mod run;
mod settings;
mod sidecar;
mod state;
mod verdict;
mod webhook;
mod wish;

pub use api::{Api, ApiError};
pub use manifest::{Outcome, objects, outcome};
pub use refusal::Refusal;
pub use run::{Ready, RunError, run};
pub use settings::Settings;
pub use verdict::{Verdict, judge};
