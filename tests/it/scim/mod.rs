//! Provisioning by SCIM, as directories do it.

mod borders;
mod conformity;
mod directory;
mod house;
mod tokens;
