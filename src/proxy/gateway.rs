//! The journey's stages, compiled.
//!
//! Refuses to change: a reload makes another, and requests that have begun end under the one they began with.

use std::sync::Arc;

use crate::authn::Authn;
use crate::credential;
use crate::edge::Hygiene;
use crate::forward::Forwarding;
use crate::login::pages::Pages;
use crate::route;

/// The compiled configuration of the journey.
pub struct Gateway {
    pub hygiene: Hygiene,
    pub routes: route::Table,
    pub credentials: credential::Sources,
    pub authn: Authn,
    pub forwarding: Forwarding,
    /// Doorward's own pages.
    pub doors: axum::Router,
    /// What people are shown who get no further.
    pub pages: Arc<Pages>,
    /// `https://app.example.com`
    pub public_url: Box<str>,
    /// `/.doorward`
    pub prefix: Box<str>,
}
