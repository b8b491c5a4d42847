//! People and groups as a directory's client sees and changes them, and groups as administrators do.
//!
//! Refuses to show or change what another connection looks after, or nobody: a provisioner names what it made or adopted
//! (threats K1, K2), and a group is changed by its keeper alone. What ends access is announced in the same transaction.

use std::fmt;

use async_trait::async_trait;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::search::{Found, Search};
use super::{DirectoryError, Page};
use crate::clock::Timestamp;
use crate::model::{Domain, EmailAddress, Group, GroupId, Keeper, Member, Provisioned, Provisioner, TenantId, User, UserId};

/// A person as their provisioner describes them.
#[derive(Clone, Debug)]
pub struct Described {
    pub user_name: String,
    pub email: Option<EmailAddress>,
    pub name: Option<String>,
    pub external_id: Option<String>,
    /// `None` where it says nothing, or no more: then nothing changes.
    pub active: Option<bool>,
    pub attributes: Map<String, Value>,
    /// What is searched by: attribute, which value of it, part, and the text as it is compared.
    pub index: Vec<Indexed>,
}

/// One entry of the index of attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexed {
    pub attribute: String,
    /// 0 is the primary value, or the first.
    pub element: i64,
    /// Empty for a value without parts.
    pub part: String,
    pub value: String,
}

/// How a person came to be looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    Created,
    /// They were here: they had signed in by this connection, or an administrator had made them for it.
    Adopted,
}

/// A group as its keeper describes it, and who comes and goes.
#[derive(Clone, Debug)]
pub struct Redescribed {
    pub display_name: String,
    pub external_id: Option<String>,
    /// Of people and of groups.
    pub joins: Vec<Uuid>,
    pub leaves: Vec<Uuid>,
}

/// What is to be made together with others, under an id that was given it before.
#[derive(Clone, Debug)]
pub enum New {
    Person(UserId, Described),
    /// And its members, of which some may be made with it.
    Group(Group, Vec<Uuid>),
}

/// Which of those that were to be made together stands in the way of all, if it is one of them, and why.
#[derive(Debug)]
pub struct Unmade {
    pub place: Option<usize>,
    pub why: DirectoryError,
}

/// Where provisioned people and groups are kept. A write has been made durable when it returns. A `version` that is given has to be the
/// stored one, or the answer is [`DirectoryError::Stale`].
#[async_trait]
pub trait Provisioning: fmt::Debug + Send + Sync {
    async fn provisioned(&self, by: &Provisioner, id: UserId) -> Result<Option<Provisioned>, DirectoryError>;
    async fn search_provisioned(&self, by: &Provisioner, search: &Search) -> Result<Found<Provisioned>, DirectoryError>;
    /// Makes the person under `id`, or adopts whom `described` means: whoever has signed in by this connection under the same name,
    /// the same address or with the external id as subject; or whom an administrator has made without a way to sign in, if their name
    /// is an address in one of `domains`. Anybody else of that name is a [`DirectoryError::Conflict`].
    async fn provision(
        &self,
        by: &Provisioner,
        id: UserId,
        described: &Described,
        domains: &[Domain],
    ) -> Result<(Provisioned, Arrival), DirectoryError>;
    /// Whom [`Self::provision`] would adopt.
    async fn adoptable(
        &self,
        by: &Provisioner,
        described: &Described,
        domains: &[Domain],
    ) -> Result<Option<UserId>, DirectoryError>;
    /// Makes all of these in one go, or none; how each arrived, in their order. A person who would be adopted under another id than the
    /// one given, or not at all though it is somebody's, is [`DirectoryError::Stale`]: ask [`Self::adoptable`] again.
    async fn provision_together(&self, by: &Provisioner, all: &[New], domains: &[Domain]) -> Result<Vec<Arrival>, Unmade>;
    /// Describes the person anew.
    async fn reprovision(
        &self,
        by: &Provisioner,
        id: UserId,
        described: &Described,
        version: Timestamp,
    ) -> Result<Provisioned, DirectoryError>;
    /// Removes the person and revokes the programs they own.
    async fn deprovision(&self, by: &Provisioner, id: UserId, version: Timestamp) -> Result<(), DirectoryError>;

    async fn group(&self, by: &Provisioner, id: GroupId) -> Result<Option<Group>, DirectoryError>;
    async fn search_groups(&self, by: &Provisioner, search: &Search) -> Result<Found<Group>, DirectoryError>;
    /// Who is in the group, in the order of their ids, at most `limit` of them; with their names if they are to be `named`.
    async fn members(&self, group: GroupId, named: bool, limit: Option<u32>) -> Result<Vec<Member>, DirectoryError>;
    /// Which of these are in the group; without their names.
    async fn members_among(&self, group: GroupId, ids: &[Uuid]) -> Result<Vec<Member>, DirectoryError>;
    /// A member, be it a person or a group, whom somebody else looks after is [`DirectoryError::Missing`]; one who is nobody is left out,
    /// since clients name people who were removed here. Of a group of the administrators' one who is nobody, or a group, is missing, too.
    async fn create_group(&self, group: &Group, members: &[Uuid]) -> Result<(), DirectoryError>;
    /// Which of these people are inactive for having left their last group, and so come back with the next one.
    async fn unassigned(&self, by: &Provisioner, ids: &[Uuid]) -> Result<Vec<UserId>, DirectoryError>;
    /// Describes the group anew. Whoever leaves the last one of their provisioner's groups is inactive until they are in one again; those
    /// of the administrators' make no difference.
    async fn update_group(
        &self,
        keeper: &Keeper,
        id: GroupId,
        new: &Redescribed,
        version: Timestamp,
    ) -> Result<Group, DirectoryError>;
    /// Removes the group; answers which people were in it.
    async fn delete_group(&self, keeper: &Keeper, id: GroupId, version: Timestamp) -> Result<Vec<UserId>, DirectoryError>;

    /// The tenant's groups, whoever keeps them, ordered by id; those whose name holds `text` whatever its case.
    async fn groups(&self, tenant: &TenantId, text: Option<&str>, page: &Page) -> Result<Vec<Group>, DirectoryError>;
    /// One of them.
    async fn group_of(&self, tenant: &TenantId, id: GroupId) -> Result<Option<Group>, DirectoryError>;
    /// Which people are in it, ordered by id.
    async fn people_in(&self, group: GroupId, page: &Page) -> Result<Vec<User>, DirectoryError>;
}
