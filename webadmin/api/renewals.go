package api

import (
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit/export"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

func renewalQuery(q url.Values) audit.RenewalQuery {
	out := audit.RenewalQuery{Member: q.Get("member"), Serial: q.Get("serial"), Authority: q.Get("authority")}
	out.Since, out.Until = times(q)
	return out
}

func (s *Server) listRenewals(c *gin.Context) error {
	q := queryOf(c)
	find := renewalQuery(q)
	at, err := parsePage("renewals", q)
	if err != nil {
		return err
	}
	if find.After, err = afterSeq(at); err != nil {
		return err
	}
	find.Limit = at.size
	page, err := s.cfg.Trail.FindRenewals(c.Request.Context(), find)
	if err != nil {
		return err
	}
	out := adminapi.SVIDRenewalList{Renewals: []adminapi.SVIDRenewal{}, NextPageToken: seqToken(at, page.Next)}
	for _, r := range page.Renewals {
		out.Renewals = append(out.Renewals, adminapi.SVIDRenewal(r))
	}
	return list(c, out)
}

// exportRenewals streams as exportAudit does.
func (s *Server) exportRenewals(c *gin.Context) error {
	find := renewalQuery(queryOf(c))
	find.Oldest, find.Limit = true, exportPage
	return exportLines(c, "svid-renewals.jsonl", func() (lines [][]byte, next bool, err error) {
		page, err := s.cfg.Trail.FindRenewals(c.Request.Context(), find)
		for _, r := range page.Renewals {
			line, err := export.EncodeRenewal(r)
			if err != nil {
				return nil, false, err
			}
			lines = append(lines, line)
		}
		find.After = page.Next
		return lines, page.Next > 0, err
	})
}
