//! The directory: which workspaces belong to which organization.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

/// Which workspaces belong to which organization. A workspace that it does not know has none.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    pub(super) organizations: Vec<Arc<str>>,
    pub(super) of: HashMap<Box<str>, usize>,
}

impl Directory {
    /// From pairs of workspace and organization.
    ///
    /// # Errors
    /// [`AmbiguousWorkspace`] when two organizations claim one workspace.
    pub fn new<W: Into<Box<str>>, O: AsRef<str>>(
        pairs: impl IntoIterator<Item = (W, O)>,
    ) -> Result<Self, AmbiguousWorkspace> {
        let mut directory = Self::default();
        let mut indices: HashMap<Arc<str>, usize> = HashMap::new();
        for (workspace, organization) in pairs {
            let organization = organization.as_ref();
            let index = if let Some(index) = indices.get(organization) {
                *index
            } else {
                let name: Arc<str> = organization.into();
                directory.organizations.push(Arc::clone(&name));
                indices.insert(name, directory.organizations.len() - 1);
                directory.organizations.len() - 1
            };
            match directory.of.entry(workspace.into()) {
                Entry::Vacant(free) => {
                    free.insert(index);
                }
                Entry::Occupied(taken) if *taken.get() == index => {}
                Entry::Occupied(taken) => {
                    let first = directory.organizations.get(*taken.get());
                    return Err(AmbiguousWorkspace {
                        workspace: taken.key().to_string(),
                        first: first.map(ToString::to_string).unwrap_or_default(),
                        second: organization.to_owned(),
                    });
                }
            }
        }
        Ok(directory)
    }

    /// The organization of a workspace.
    pub fn organization_of(&self, workspace: &str) -> Option<&Arc<str>> {
        self.of
            .get(workspace)
            .and_then(|index| self.organizations.get(*index))
    }

    /// The number of workspaces that it knows.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether it knows no workspace.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

/// A workspace that two organizations claim: which rules hold for it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the directory places workspace {workspace:?} in {first:?} and in {second:?}; a workspace has one organization"
)]
pub struct AmbiguousWorkspace {
    /// The workspace.
    pub workspace: String,
    /// One organization.
    pub first: String,
    /// The other.
    pub second: String,
}
