//! What stands beside what was rendered: namespaces of others, strays, what Argo CD brings, what
//! cannot be read, what is being deleted.

use super::compare::Comparison;
use super::deletion::{STUCK, held_by, length};
use super::observe::Why;
use super::progress::BehindReasons;
use super::rules::{FOREIGN, NOT_ADOPTED, NOT_CONVERGED, NOT_LISTED, ORPHANED, STUCK_DELETION};
use crate::diagnostic::Level;
use crate::kube::ObjectId;

impl Comparison<'_> {
    /// Namespaces that were there before, and are nobody's to take.
    pub(super) fn homes(&mut self) {
        for at in 0..self.wanted.tenants.len() as u32 {
            if !self.wanted.asks(Some(at)) {
                continue;
            }
            for (name, adopt, span) in &self.wanted.tenants[at as usize].namespaces {
                let Some(home) = self.seen.homes.get(name) else {
                    continue;
                };
                if home.owner.as_ref() == Some(&self.wanted.owner) || *adopt {
                    continue;
                }
                let whose = match &home.owner {
                    Some(other) => format!("belongs to the fleet `{other}`"),
                    None => "was there before, without our label".to_owned(),
                };

                let id = ObjectId::of_namespace(name.clone());
                let since = home.made.clone();
                let found = self.push(
                    &NOT_ADOPTED,
                    Some(at),
                    *span,
                    Some(&id),
                    format!("the namespace `{name}` {whose}"),
                );

                found.since = since;
                found.diagnostic.fix =
                    "say `adopt: true` at the namespace to take it over, or choose another name"
                        .into();
            }
        }
    }

    /// What was not rendered: what gives a tenant more, and what is left.
    pub(super) fn strays(&mut self, behind: &BehindReasons) {
        let mut beside = Vec::new();
        for stray in &self.seen.strays {
            let by = stray
                .by
                .as_ref()
                .map(|m| format!("; last changed by {m}"))
                .unwrap_or_default();

            let called = stray.id.called();
            let id = Some(&stray.id);
            let unit = stray
                .applied_by
                .as_deref()
                .and_then(|by| self.wanted.unit_of(by));

            match &stray.why {
                Why::Widens(tenant, what) | Why::Within(tenant, what) => {
                    let span = self.wanted.span_of(Some(*tenant));
                    // A hint: whoever makes an object may label it.
                    let labels = stray.applied_by.as_ref();
                    let applied = labels
                        .map(|by| format!("; its labels say that {by} applies it"))
                        .unwrap_or_default();
                    let message = format!("{called} was not rendered, and {what}{applied}{by}");
                    let delete = self.wanted.kubectl("delete", &stray.id, "");
                    let fix = format!(
                        "declare it in the spec, or take it away where it comes from, or: {delete}"
                    );
                    let warns = matches!(stray.why, Why::Within(..));
                    let found = self.push(&FOREIGN, Some(*tenant), span, id, message);
                    found.since = stray
                        .by
                        .as_ref()
                        .map(|m| m.time.clone())
                        .unwrap_or_default();

                    found.diagnostic.fix = fix;
                    if warns {
                        found.diagnostic.level = Level::Warning;
                    }
                }
                Why::Beside => beside.push(called),
                // What its Kustomization will prune once it has come so far is no fault.
                Why::Orphaned(_) if unit.is_some_and(|unit| behind.contains_key(unit)) => {}
                Why::Orphaned(tenant) => {
                    let of = tenant
                        .as_ref()
                        .map(|t| format!(" (of the tenant `{t}`)"))
                        .unwrap_or_default();

                    let message = format!("{called}{of} has our label, and nothing renders it{by}");
                    let fix = match &*stray.id.kind {
                        "Namespace" => {
                            "whoever owned it says whether it goes, and everything in it with it"
                                .to_owned()
                        }
                        _ => format!(
                            "see that nobody uses it, then: {}",
                            self.wanted.kubectl("delete", &stray.id, "")
                        ),
                    };

                    self.push(&ORPHANED, None, self.wanted.span, id, message)
                        .diagnostic
                        .fix = fix;
                }
                Why::Released(claim) => {
                    let message = format!(
                        "{called} was of the claim {claim}, which is gone: its data is still there"
                    );
                    let fix = "whoever owned the data says whether it is deleted: kubectl delete pv, and what it stands for";
                    self.push(&ORPHANED, None, self.wanted.span, id, message)
                        .diagnostic
                        .fix = fix.into();
                }
            }
        }

        if let Some(first) = beside.first() {
            let more = if beside.len() > 1 {
                format!(" and {} more", beside.len() - 1)
            } else {
                String::new()
            };
            let message = format!(
                "{first}{more} stand over every namespace, and were not rendered: they may let through what ours hold"
            );
            let found = self.push(&FOREIGN, None, self.wanted.span, None, message);
            found.diagnostic.level = Level::Warning;
            found.diagnostic.fix =
                "see what they allow; what the proof can say of them: tenantry prove --live".into();
        }
    }

    /// What Argo CD brings into tenants' namespaces, and has not brought.
    pub(super) fn applications(&mut self) {
        for (id, tenant, status) in &self.seen.applications {
            let span = self.wanted.span_of(Some(*tenant));
            let message = format!("{} is {}: {}", id.called(), status.reason, status.message);
            let found = self.push(&NOT_CONVERGED, Some(*tenant), span, Some(id), message);
            // It is the tenant's own, and nothing that was rendered.
            found.diagnostic.level = Level::Warning;
            found.diagnostic.fix =
                "mend what its message names; Argo CD tries again by itself".into();
        }
    }

    /// What could be listed, and not read.
    pub(super) fn unread(&mut self) {
        for id in &self.seen.unread {
            let tenant = self.wanted.home(&id.namespace);
            let span = self.wanted.span_of(tenant);
            let message = format!(
                "{} cannot be read (it is nested too deeply): nothing is known of it",
                id.called()
            );
            self.push(&NOT_LISTED, tenant, span, Some(id), message)
                .diagnostic
                .fix = "see what it is for; nothing that Flux applies needs to be so deep".into();
        }
    }

    /// What is being deleted for long.
    pub(super) fn endings(&mut self) {
        for ending in &self.seen.endings {
            let age = self.age(ending);
            if age <= STUCK[0] {
                continue;
            }
            let span = self.wanted.span_of(ending.tenant);
            let message = format!(
                "{} has been Terminating for {}: {}",
                ending.id.called(),
                length(age),
                held_by(ending)
            );

            // What was rendered is not there for long.
            let wanted = self.wanted.objects.contains_key(&ending.id);
            let level = if wanted || age > STUCK[1] {
                Level::Error
            } else {
                STUCK_DELETION.level
            };

            let since = ending.since.clone();
            let found = self.push(
                &STUCK_DELETION,
                ending.tenant,
                span,
                Some(&ending.id),
                message,
            );

            found.since = since;
            found.diagnostic.level = level;
            found.diagnostic.fix =
                "let whoever set the finalizer finish: see its logs, its rights, whether it still runs; \
                                    taking a finalizer off leaves behind what it would have cleaned up"
                    .into();
        }
    }
}
