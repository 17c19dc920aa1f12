//! From an action on a zone to the call that does it.
//!
//! Owns the preconditions that keep writes from undoing those of others: the list of finalizers is replaced as a whole, so
//! it is written only onto the version that it was read from. Invariant: building a call twice gives the same call.

use serde_json::json;

use super::conditions;
use super::facts::Facts;
use super::state::Listed;
use crate::api::run as testrun;
use crate::api::zone::{self, FINALIZER, PLZ_UID_ANNOTATION};
use crate::call::Call;
use crate::cloud::{self, ErrorCode};
use crate::redact::Secret;
use crate::testrun::template;
use crate::zone::action::Action;

/// The call, or `None` when what it needs is not there.
#[must_use]
pub fn build(facts: &Facts<'_>, action: Action) -> Option<Call> {
    let metadata = &facts.zone.metadata;
    let namespace = Some(metadata.namespace.as_str());
    let name = metadata.name.as_str();
    let to_cloud = |request| {
        let token: Secret = facts.token?.value.clone()?;
        Some(Call::Cloud { request, token })
    };
    match action {
        Action::Adopt => {
            let mut finalizers = metadata.finalizers.clone();
            if !facts.zone.has_finalizer() {
                finalizers.push(FINALIZER.to_owned());
            }
            let patch = json!({ "metadata": {
                "resourceVersion": metadata.resource_version,
                "finalizers": finalizers,
                "annotations": { PLZ_UID_ANNOTATION: facts.zone.provider_id() },
            }});
            Some(Call::Kubernetes(zone::RESOURCE.merge_patch(namespace, name, &patch)))
        }
        Action::Release => {
            let patch = metadata.without_finalizer(FINALIZER);
            Some(Call::Kubernetes(zone::RESOURCE.merge_patch(namespace, name, &patch)))
        }
        Action::WriteStatus => Some(Call::Kubernetes(zone::RESOURCE.merge_patch_status(
            namespace,
            name,
            &conditions::patch(facts)?,
        ))),
        Action::Register => {
            let salt = format!("{}/{}/{}", metadata.uid, metadata.generation, facts.state.registration_salt);
            to_cloud(cloud::request::register(&facts.registration().ok()?, &salt))
        }
        Action::Deregister => to_cloud(cloud::request::deregister(name, &metadata.uid)),
        Action::Poll => to_cloud(cloud::request::poll(name)),
        Action::FetchData(id) => to_cloud(cloud::request::data(id)),
        Action::Refuse(id) => {
            let Listed::Refused(message) = facts.state.listed.get(&id)? else { return None };
            let events = cloud::Event::error_and_abort(ErrorCode::CouldNotStart, message);
            to_cloud(cloud::request::events(id, &events, &metadata.uid))
        }
        Action::CreateTestRun(id) => {
            let Listed::Ready { prepared, .. } = facts.state.listed.get(&id)? else { return None };
            Some(Call::Kubernetes(testrun::RESOURCE.create(namespace, &prepared.run)))
        }
        Action::InspectTestRun(id) => {
            Some(Call::Kubernetes(testrun::RESOURCE.get(namespace, &template::name(id))))
        }
        Action::Announce => {
            let announcement = facts.state.announcements.first()?;
            Some(Call::Kubernetes(announcement.request(metadata, zone::KIND, facts.wall)))
        }
    }
}
