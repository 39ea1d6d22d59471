//! What one member says to member 0, from when it is in until it is out.

use std::path::PathBuf;

use super::Host;
use crate::fleet::parcel;
use crate::fleet::post::{Inbox, Outbox, Outgoing};
use crate::fleet::roll::Stage;
use crate::fleet::words::{Said, Told};

/// A member that is in.
pub(super) struct Visit<'a> {
    host: &'a Host,
    member: u32,
    outbox: Outbox<Told>,
    /// Where its run is put until all of it is there, and how much came.
    part: Option<Part>,
}

struct Part {
    folder: PathBuf,
    files: usize,
    bytes: u64,
    trouble: Option<String>,
}

impl<'a> Visit<'a> {
    /// It has joined.
    pub(super) const fn new(host: &'a Host, member: u32, outbox: Outbox<Told>) -> Self {
        Self { host, member, outbox, part: None }
    }

    /// Hears the member out; returns why it is over.
    pub(super) async fn run(&mut self, inbox: &mut Inbox) -> String {
        loop {
            let said = match inbox.next::<Said>().await {
                Ok(said) => said,
                Err(why) => return why,
            };
            let (heard, member) = (self.host.now(), self.member);
            self.host.roll(|roll| roll.hear(member, heard));
            match said {
                Said::Hello(_) => return "said twice who it is".to_owned(),
                Said::Time { number } => {
                    let answered_ns = self.host.now().0;
                    let time = Told::Time { number, heard_ns: heard.0, answered_ns };
                    if self.outbox.try_send(Outgoing::Word(time)).is_err() {
                        return "takes no words any more".to_owned();
                    }
                }
                Said::Ready => self.reach(Stage::Ready),
                Said::Drained => self.reach(Stage::Drained),
                Said::Heard { number } => {
                    let mut state = self.host.0.state.lock();
                    state.unheard.get_mut(&number).map(|members| members.remove(&member));
                    drop(state);
                    self.host.0.changed.send_replace(());
                }
                Said::File { name, bytes } => {
                    if let Err(why) = self.file(inbox, &name, bytes).await {
                        return why;
                    }
                    let heard = self.host.now();
                    self.host.roll(|roll| roll.hear(member, heard));
                }
                Said::Left => self.keep(),
                Said::Gone { why } => return format!("ended: {why}"),
            }
        }
    }

    fn reach(&self, stage: Stage) {
        self.host.roll(|roll| roll.reach(self.member, stage));
        self.host.0.changed.send_replace(());
    }

    /// Takes a file of its run.
    async fn file(&mut self, inbox: &mut Inbox, name: &str, bytes: u64) -> Result<(), String> {
        let Some(Some(members)) = self.host.0.folder.get() else {
            return Err("had nowhere to leave its run: member 0 has no folder for it".to_owned());
        };
        let part = self.part.get_or_insert_with(|| Part {
            folder: parcel::beside(&members.join(self.member.to_string())),
            files: 0,
            bytes: 0,
            trouble: None,
        });
        part.files += 1;
        part.bytes = part.bytes.saturating_add(bytes);
        if !parcel::is_name(name)
            || part.files > parcel::FILES_MAX
            || bytes > parcel::FILE_BYTES_MAX
            || part.bytes > parcel::ALL_BYTES_MAX
        {
            return Err(format!("left a file that is not taken: {name:?}, {bytes} bytes"));
        }
        if part.files == 1
            && let Err(error) = tokio::fs::create_dir_all(&part.folder).await
        {
            let why = format!("cannot write {}: {error}", part.folder.display());
            part.trouble.get_or_insert(why);
        }
        let path = part.folder.join(name);
        inbox.store(bytes, &path).await.inspect_err(|why| {
            let taken = Told::Taken { trouble: Some(why.clone()) };
            let _ = self.outbox.try_send(Outgoing::Word(taken));
        })
    }

    /// All of its run is there.
    fn keep(&mut self) {
        let trouble = match self.part.take() {
            None => Some("it left no file".to_owned()),
            Some(Part { trouble: Some(trouble), .. }) => Some(trouble),
            Some(Part { folder, .. }) => {
                let to = folder.with_file_name(self.member.to_string());
                match std::fs::rename(&folder, &to) {
                    Ok(()) => {
                        self.host.0.state.lock().folders.push(to);
                        None
                    }
                    Err(error) => Some(format!("cannot write {}: {error}", to.display())),
                }
            }
        };
        if let Some(trouble) = &trouble {
            let what = format!("the run of member {} is not kept: {trouble}", self.member);
            self.host.0.state.lock().lost.push(what);
        }
        let _ = self.outbox.try_send(Outgoing::Word(Told::Taken { trouble }));
        self.reach(Stage::Left);
    }

    /// What came of a run that did not come whole is removed.
    pub(super) fn abandon(&mut self) {
        if let Some(part) = self.part.take() {
            let _ = std::fs::remove_dir_all(part.folder);
        }
    }
}
