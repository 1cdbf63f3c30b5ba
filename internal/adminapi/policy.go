package adminapi

// PolicyFile is the reply to GET /policy.
type PolicyFile struct {
	// Document is YAML: networks, resources, grants and policy_tests, in the words of the API.
	Document string `json:"document" example:"resources:\n  - id: db\n    hosts: [db.corp]\n    ports: [5432]\n"`
}

// PolicyPlanRequest asks what a policy file would change: POST /policy/plan.
type PolicyPlanRequest struct {
	// Document is YAML: networks, resources, grants and policy_tests, in the words of the API,
	// each with its id. Each thing is whole: what it does not say is empty.
	Document string `json:"document" example:"resources:\n  - id: db\n    hosts: [db.corp]\n    ports: [5432]\n"`
	// Prune is a label: resources that carry it and are not in the file are deleted, and
	// grants that are not in the file of such resources or of the label itself.
	Prune string `json:"prune,omitempty" example:"app=shop"`
}

// PolicyRequest makes what a policy file says: POST /policy/apply.
type PolicyRequest struct {
	// Document is YAML: networks, resources, grants and policy_tests, in the words of the API,
	// each with its id. Each thing is whole: what it does not say is empty.
	Document string `json:"document" example:"resources:\n  - id: db\n    hosts: [db.corp]\n    ports: [5432]\n"`
	// Prune is a label: resources that carry it and are not in the file are deleted, and
	// grants that are not in the file of such resources or of the label itself.
	Prune string `json:"prune,omitempty" example:"app=shop"`
	// Version is that of the plan; absent takes any.
	Version string `json:"version,omitempty" example:"4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"`
}

// PolicyPlan is what a policy file changes, or has changed.
type PolicyPlan struct {
	Changes   []PolicyChange `json:"changes"`
	Unchanged int            `json:"unchanged"` // how many things of the file are so already
	// Version stands for exactly these changes.
	Version string `json:"version" example:"4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"`
}

// PolicyChange is one thing that is created, changed or deleted.
type PolicyChange struct {
	Action string `json:"action" enum:"create,change,delete"`
	Kind   string `json:"kind" enum:"network,resource,grant,policy-test"`
	ID     string `json:"id" example:"db"`
	// Before and After are what it was and will be, as JSON.
	Before string `json:"before,omitempty" example:"{\"name\":\"db\"}"`
	After  string `json:"after,omitempty" example:"{\"name\":\"Orders\"}"`
}
