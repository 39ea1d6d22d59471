//! Which member of a fleet this is: by a flag, or by what an engine says.

use crate::base::share::Share;
use crate::event::MEMBERS_MAX;

/// Reads `0/4`, or `slot:1/4`.
pub(super) fn member(text: &str) -> Result<Share, String> {
    let wrong = || {
        format!(
            "\"{text}\" is no member; write \"0/4\" for the first of four, or \"slot:1/4\" where they count from 1"
        )
    };
    let (is_slot, numbers) = match text.strip_prefix("slot:") {
        Some(numbers) => (true, numbers),
        None => (false, text),
    };
    let (number, of) = numbers.split_once('/').ok_or_else(wrong)?;
    let read = |text: &str| text.parse::<u32>().map_err(|_| wrong());
    let (number, of) = (read(number)?, read(of)?);
    let index = if is_slot { number.checked_sub(1) } else { Some(number) };
    place(index, of, text)
}

/// A member by its number, from 0, and theirs.
fn place(index: Option<u32>, of: u32, told: &str) -> Result<Share, String> {
    if of > MEMBERS_MAX {
        return Err(format!("{told}: {of} members; a fleet has {MEMBERS_MAX} at most"));
    }
    if of == 0 {
        return Err(format!("{told}: a fleet has a member at least; write 0/1, or slot:1/1"));
    }
    index.and_then(|index| Share::new(index, of)).ok_or_else(|| {
        format!("{told}: there is no such member of {of}; the first is 0/{of}, or slot:1/{of}")
    })
}

/// Which member this is: flags go before what engines say.
pub(super) fn which(
    member: Option<Share>,
    members: Option<u32>,
    said: impl Fn(&str) -> Option<String>,
) -> Result<Share, String> {
    if let Some(member) = member {
        return match members {
            Some(members) if members != member.of() => {
                Err(format!("-member {member} is one of {}, and -members {members}", member.of()))
            }
            _ => Ok(member),
        };
    }
    let number = |name: &str| {
        said(name)
            .map(|text| {
                text.parse::<u32>()
                    .map_err(|_| format!("{name}={text} in the environment is no number"))
            })
            .transpose()
    };
    let index_of_job = number("JOB_COMPLETION_INDEX")?;
    match (number("SLURM_PROCID")?, number("SLURM_NTASKS")?, index_of_job) {
        (Some(index), of, _) if of.or(members).is_some() => {
            let of = members.or(of).unwrap_or_default();
            place(Some(index), of, &format!("SLURM_PROCID={index} of {of}"))
        }
        (_, _, Some(index)) => match members {
            Some(of) => place(Some(index), of, &format!("JOB_COMPLETION_INDEX={index} of -members {of}")),
            None => Err(format!("JOB_COMPLETION_INDEX={index}, but of how many? write -members N")),
        },
        _ => Err(
            "-fleet needs to know which member this is, and neither Slurm nor Kubernetes say so here; write \
             -member 0/4 for the first of four"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn which_by(
        member: Option<&str>,
        members: Option<u32>,
        said: &[(&str, &str)],
    ) -> Result<String, String> {
        let member = member.map(super::member).transpose()?;
        let said = |name: &str| {
            said.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
        };
        which(member, members, said).map(|share| share.to_string())
    }

    /// Catches an engine that is not heard, one that is heard before a flag, and a number out of range that
    /// is let in or named without its limit.
    #[test]
    fn flags_go_before_what_engines_say() {
        let slurm = [("SLURM_PROCID", "2"), ("SLURM_NTASKS", "4")];
        let job = [("JOB_COMPLETION_INDEX", "3")];
        assert_eq!(which_by(None, None, &slurm).unwrap(), "2/4");
        assert_eq!(which_by(None, Some(8), &job).unwrap(), "3/8");
        assert_eq!(which_by(Some("1/9"), None, &slurm).unwrap(), "1/9");
        assert_eq!(which_by(Some("slot:1/9"), None, &[]).unwrap(), "0/9");
        for (member, members, said, told) in [
            (None, None, &[][..], "neither Slurm nor Kubernetes say so"),
            (None, None, &job[..], "JOB_COMPLETION_INDEX=3, but of how many? write -members N"),
            (
                None,
                Some(3),
                &job[..],
                "JOB_COMPLETION_INDEX=3 of -members 3: there is no such member of 3",
            ),
            (Some("4/4"), None, &slurm[..], "4/4: there is no such member of 4"),
            (Some("slot:0/4"), None, &[], "slot:0/4: there is no such member of 4"),
            (Some("0/5000"), None, &[], "5000 members; a fleet has 1024 at most"),
            (Some("1/4"), Some(5), &[], "-member 1/4 is one of 4, and -members 5"),
            (Some("first"), None, &[], "\"first\" is no member; write \"0/4\""),
            (
                None,
                None,
                &[("SLURM_PROCID", "x")],
                "SLURM_PROCID=x in the environment is no number",
            ),
        ] {
            let refused = which_by(member, members, said).unwrap_err();
            assert!(refused.contains(told), "{refused}");
        }
    }
}
