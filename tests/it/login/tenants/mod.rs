//! Tenants: each at its own host, with its own ways in, accounts and roles; and nothing that crosses.

mod crossing;
mod homes;
mod saml;
mod street;
mod tokens;
