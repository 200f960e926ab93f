//! A survey's stream: its messages as the intake takes them.

use tdferry_proto::BadMessage;
use tdferry_proto::status::ApiError;
use tdferry_proto::v1;
use tdferry_proto::v1::survey_request::Part as Sent;

use crate::intake::{Counted, Part, Start, Surveyed};
use crate::planner::{StableSeen, TableSeen};

pub(super) fn part(request: v1::SurveyRequest) -> Result<Part, ApiError> {
    Ok(match request.part.ok_or_else(|| BadMessage::missing("part"))? {
        Sent::Start(sent) => Part::Start(Box::new(start(sent)?)),
        Sent::Stable(sent) => Part::Stable(StableSeen {
            name: sent.name,
            rows: sent.rows,
            tables: sent.tables,
            period: sent.period.map(TryInto::try_into).transpose()?,
            row_bytes: sent.row_bytes,
        }),
        Sent::Page(sent) => Part::Tables(sent.subtables.into_iter().map(table).collect::<Result<_, _>>()?),
        Sent::End(sent) => {
            let v1::SurveyEnd { subtables, normal_tables, names } = sent;
            Part::End(Counted { subtables, normal_tables, names })
        }
    })
}

pub(super) fn answer(surveyed: Surveyed) -> v1::SurveyResponse {
    let (verdict, message, found) = match surveyed {
        Surveyed::Planned(found) => (v1::Verdict::Committed, String::new(), Some(found.into())),
        Surveyed::Fenced => (v1::Verdict::Fenced, "the lease on the survey is gone".to_owned(), None),
        Surveyed::Refused(why) => (v1::Verdict::Refused, why, None),
    };
    v1::SurveyResponse { verdict: verdict.into(), message, found }
}

fn start(sent: v1::SurveyStart) -> Result<Start, BadMessage> {
    Ok(Start {
        key: sent.key.ok_or_else(|| BadMessage::missing("start.key"))?.try_into()?,
        fence: sent.fence,
        cutoff: sent.cutoff.ok_or_else(|| BadMessage::missing("start.cutoff"))?.try_into()?,
        period: sent.period.ok_or_else(|| BadMessage::missing("start.period"))?.try_into()?,
        stables: sent.stables,
        subtables: sent.subtables,
        rows: sent.rows,
        fingerprint: sent.fingerprint,
    })
}

fn table(sent: v1::SurveySubtable) -> Result<TableSeen, BadMessage> {
    if sent.name.is_empty() {
        return Err(BadMessage::missing("page.subtables.name"));
    }
    let period = sent.period.map(TryInto::try_into).transpose()?;
    Ok(TableSeen { name: sent.name, rows: sent.rows, period })
}
