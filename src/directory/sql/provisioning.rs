//! Provisioning in a database: which statement does what is asked.
//!
//! Refuses nothing by itself; the statements do.

use async_trait::async_trait;
use uuid::Uuid;

use super::super::provisioning::{Arrival, Described, New, Provisioning, Redescribed, Unmade};
use super::super::search::{Found, Search};
use super::super::{DirectoryError, Page};
use super::{SqlDirectory, group, provisioned, together};
use crate::clock::Timestamp;
use crate::db::Failure;
use crate::model::{Domain, Group, GroupId, Keeper, Member, Provisioned, Provisioner, TenantId, User, UserId};

impl SqlDirectory {
    async fn read_back(&self, by: &Provisioner, id: UserId) -> Result<Provisioned, DirectoryError> {
        self.provisioned(by, id).await?.ok_or(DirectoryError::Missing("user"))
    }
}

#[async_trait]
impl Provisioning for SqlDirectory {
    async fn provisioned(&self, by: &Provisioner, id: UserId) -> Result<Option<Provisioned>, DirectoryError> {
        Ok(self.database.read(provisioned::by_id(self.database.readers(), by.clone(), id)).await?)
    }

    async fn search_provisioned(&self, by: &Provisioner, search: &Search) -> Result<Found<Provisioned>, DirectoryError> {
        Ok(self.database.read(provisioned::search(self.database.readers(), &self.walks, by.clone(), search.clone())).await?)
    }

    async fn provision(
        &self,
        by: &Provisioner,
        id: UserId,
        described: &Described,
        domains: &[Domain],
    ) -> Result<(Provisioned, Arrival), DirectoryError> {
        let (owner, new, domains, now) = (by.clone(), described.clone(), domains.to_vec(), self.database.now());
        let (id, arrival) = self
            .database
            .write(move |connection| Box::pin(provisioned::provision(connection, owner, id, new, domains, now)))
            .await?;
        Ok((self.read_back(by, id).await?, arrival))
    }

    async fn adoptable(
        &self,
        by: &Provisioner,
        described: &Described,
        domains: &[Domain],
    ) -> Result<Option<UserId>, DirectoryError> {
        let (by, new, domains) = (by.clone(), described.clone(), domains.to_vec());
        let found = self
            .database
            .write(move |connection| Box::pin(async move { provisioned::adoptable(connection, &by, &new, &domains).await }))
            .await?;
        Ok(found.map(|user| user.id))
    }

    async fn provision_together(&self, by: &Provisioner, all: &[New], domains: &[Domain]) -> Result<Vec<Arrival>, Unmade> {
        let (by, all, domains, now) = (by.clone(), all.to_vec(), domains.to_vec(), self.database.now());
        let made = self.database.write(move |connection| Box::pin(together::make(connection, by, all, domains, now))).await;
        made.map_err(|failure| match failure {
            Failure::Refused(unmade) => unmade,
            Failure::Unavailable(error) => Unmade { place: None, why: error.into() },
        })
    }

    async fn reprovision(
        &self,
        by: &Provisioner,
        id: UserId,
        described: &Described,
        version: Timestamp,
    ) -> Result<Provisioned, DirectoryError> {
        let (owner, new, now) = (by.clone(), described.clone(), self.database.now());
        self.database
            .write(move |connection| Box::pin(provisioned::reprovision(connection, owner, id, new, version, now)))
            .await?;
        self.read_back(by, id).await
    }

    async fn deprovision(&self, by: &Provisioner, id: UserId, version: Timestamp) -> Result<(), DirectoryError> {
        let (by, now) = (by.clone(), self.database.now());
        Ok(self.database.write(move |connection| Box::pin(provisioned::deprovision(connection, by, id, version, now))).await?)
    }

    async fn group(&self, by: &Provisioner, id: GroupId) -> Result<Option<Group>, DirectoryError> {
        Ok(self.database.read(group::by_id(self.database.readers(), by.clone(), id)).await?)
    }

    async fn search_groups(&self, by: &Provisioner, search: &Search) -> Result<Found<Group>, DirectoryError> {
        Ok(self.database.read(group::search(self.database.readers(), &self.walks, by.clone(), search.clone())).await?)
    }

    async fn members(&self, group: GroupId, named: bool, limit: Option<u32>) -> Result<Vec<Member>, DirectoryError> {
        Ok(self.database.read(group::members(self.database.readers(), group, named, limit)).await?)
    }

    async fn members_among(&self, group: GroupId, ids: &[Uuid]) -> Result<Vec<Member>, DirectoryError> {
        Ok(self.database.read(group::members_among(self.database.readers(), group, ids)).await?)
    }

    async fn create_group(&self, group: &Group, members: &[Uuid]) -> Result<(), DirectoryError> {
        let (group, members, now) = (group.clone(), members.to_vec(), self.database.now());
        Ok(self.database.write(move |connection| Box::pin(group::create(connection, group, members, now))).await?)
    }

    async fn unassigned(&self, by: &Provisioner, ids: &[Uuid]) -> Result<Vec<UserId>, DirectoryError> {
        Ok(self.database.read(group::unassigned(self.database.readers(), by.clone(), ids.to_vec())).await?)
    }

    async fn update_group(
        &self,
        keeper: &Keeper,
        id: GroupId,
        new: &Redescribed,
        version: Timestamp,
    ) -> Result<Group, DirectoryError> {
        let (keeper, new, now) = (keeper.clone(), new.clone(), self.database.now());
        Ok(self.database.write(move |connection| Box::pin(group::update(connection, keeper, id, new, version, now))).await?)
    }

    async fn delete_group(&self, keeper: &Keeper, id: GroupId, version: Timestamp) -> Result<Vec<UserId>, DirectoryError> {
        let (keeper, now) = (keeper.clone(), self.database.now());
        Ok(self.database.write(move |connection| Box::pin(group::delete(connection, keeper, id, version, now))).await?)
    }

    async fn groups(&self, tenant: &TenantId, text: Option<&str>, page: &Page) -> Result<Vec<Group>, DirectoryError> {
        let (tenant, text, page) = (tenant.clone(), text.map(str::to_owned), page.clone());
        Ok(self.database.read(group::page(self.database.readers(), tenant, text, page)).await?)
    }

    async fn group_of(&self, tenant: &TenantId, id: GroupId) -> Result<Option<Group>, DirectoryError> {
        Ok(self.database.read(group::of_tenant(self.database.readers(), tenant.clone(), id)).await?)
    }

    async fn people_in(&self, group: GroupId, page: &Page) -> Result<Vec<User>, DirectoryError> {
        Ok(self.database.read(group::people_in(self.database.readers(), group, page.clone())).await?)
    }
}
