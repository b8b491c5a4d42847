//! Provisioning by SCIM, as directories do it.

mod borders;
mod circles;
mod conformity;
mod directory;
mod events;
mod house;
mod recorded;
mod tokens;
